"""The bound that packets are measured against: what a linear predictor leaves, no headers."""

import math

import numpy as np

LPC_ORDER = 8


def bound_bytes_per_value(trace):
    """Return the bound in bytes a value, over all channels of the whole trace.

    Per channel the smallest order-0 entropy of the residual of mean, first difference, second
    difference and LPC of order 8 (least squares over the whole trace, rounded to counts). Missing
    readings are left out, and what it costs to say that they are missing is not in the bound.
    """
    bits = values = 0.0
    for channel in range(trace.columns.shape[0]):
        column = trace.columns[channel].astype(np.int64)
        if trace.valid is not None:
            column = column[trace.valid[channel]]
        if len(column):
            bits += len(column) * min(entropy_bits(r) for r in residuals(column))
            values += len(column)
    return bits / 8 / values if values else 0.0


def residuals(column):
    """Yield the residuals of an int64 series under each predictor of the bound."""
    column = column - column[0]
    column = column // max(1, int(np.gcd.reduce(column)))  # the factor of a left-justified part
    yield column - round(float(column.mean()))
    yield np.diff(column)
    yield np.diff(column, 2)
    if len(column) > 4 * LPC_ORDER:
        yield lpc_residual(column, LPC_ORDER)


def lpc_residual(column, order):
    """Return the residual of the least-squares linear predictor with a constant term."""
    series = column.astype(float)
    past = np.stack([series[order - 1 - i : len(series) - 1 - i] for i in range(order)], axis=1)
    past = np.column_stack([past, np.ones(len(past))])
    weights = np.linalg.lstsq(past, series[order:], rcond=None)[0]
    return column[order:] - np.rint(past @ weights).astype(np.int64)


def entropy_bits(residual):
    """Return the empirical order-0 entropy of an integer series, bits a value."""
    if not len(residual):
        return 0.0
    counts = np.unique(residual, return_counts=True)[1]
    share = counts / len(residual)
    return max(0.0, -math.fsum(share * np.log2(share)))
