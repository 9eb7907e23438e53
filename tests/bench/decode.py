"""Host decode: million values a second on one core, beside formats that users would pick."""

import time

import numpy as np

from motefw import packet
from motekit import decode

from .packet import packets
from .peers import messagepack, senml_cbor
from .report import has_package

SAMPLES = 512
BATCHES = (1, 64, 256, 1024)
GOAL_BATCH = 1024
GOAL = 40.0
ROUND_S = 0.3
ROUNDS = 5
CAPTION = (
    f"{GOAL_BATCH} packets (or as named) of {SAMPLES} samples of {{trace}}, {{channels}} "
    f"channels; the fastest of {ROUNDS} rounds of {ROUND_S} s, one thread. Peers decode the same "
    "values, one message a packet, into Python objects, and MessagePack also on into NumPy."
)


def best_rate(action, values):
    """Return million values a second of the fastest round; `action()` decodes `values` values."""
    action()
    best = 0.0
    for _ in range(ROUNDS):
        calls, start = 0, time.perf_counter()
        while (spent := time.perf_counter() - start) < ROUND_S:
            action()
            calls += 1
        best = max(best, calls * values / spent / 1e6)
    return best


def batch_of(trace, count):
    """Return `count` packets of the trace (it starts anew where it ends) and their columns."""
    made = list(packets(trace, SAMPLES))
    chosen = [made[i % len(made)] for i in range(count)]
    return [data for data, _, _ in chosen], [columns for _, columns, _ in chosen]


def check(batch, columns):
    """Raise ValueError unless the batch decodes to the columns."""
    samples = decode.samples(batch)
    if not np.array_equal(samples.values, np.concatenate(columns, axis=1).T):
        raise ValueError("the batch decoder does not return what was encoded")


def peer_rates(report, columns, period_s):
    """Return {peer: million values a second} for the same columns."""
    rates = {}
    values = sum(part.size for part in columns)
    if has_package("msgpack"):
        import msgpack

        packed = [messagepack(part, None, period_s) for part in columns]
        rates["messagepack"] = best_rate(lambda: [msgpack.unpackb(m) for m in packed], values)
        rates["messagepack_to_numpy"] = best_rate(
            lambda: [np.array(msgpack.unpackb(m), np.int32) for m in packed], values
        )
    else:
        report.missing("no Python package msgpack", "decode beside MessagePack")
    if has_package("cbor2"):
        import cbor2

        few = columns[:8]
        coded = [senml_cbor(part, None, period_s) for part in few]
        rates["senml_cbor"] = best_rate(
            lambda: [cbor2.loads(m) for m in coded], sum(part.size for part in few)
        )
    else:
        report.missing("no Python package cbor2", "decode beside SenML CBOR")
    return rates


def run(report, traces):
    """Measure on the trace with most channels, the first of them that has no missing values."""
    whole = [trace for trace in traces if trace.valid is None and trace.rows >= SAMPLES]
    if not whole:
        report.missing(f"no trace of {SAMPLES} rows without missing values", "decode")
        return
    trace = max(whole, key=lambda trace: len(trace.channels))
    batch, columns = batch_of(trace, max(BATCHES))
    check(batch, columns)
    beside = peer_rates(report, columns, trace.period_s)
    few = batch[:4]
    plain_values = sum(part.size for part in columns[:4])
    beside["plain_decoder"] = best_rate(
        lambda: [packet.decode(data) for data in few], plain_values
    )
    figures = []
    for count in BATCHES:
        part = batch[:count]
        values = sum(piece.size for piece in columns[:count])
        rate = best_rate(lambda part=part: decode.samples(part), values)
        goal = GOAL if count == GOAL_BATCH else None
        name = "decode.numpy" if goal else f"decode.numpy_batch{count}"
        figures.append(
            report.add(
                f"{name}.mvalues_per_s",
                rate,
                "Mvalue/s",
                goal=goal,
                better="higher",
                beside=beside,
            )
        )
    head_rate = best_rate(lambda: decode.headers(batch), len(batch))
    figures.append(
        report.add("decode.headers.mpackets_per_s", head_rate, "Mpacket/s", better="higher")
    )
    caption = CAPTION.format(trace=trace.name, channels=len(trace.channels))
    report.figures_table("Host decode", figures, caption)
