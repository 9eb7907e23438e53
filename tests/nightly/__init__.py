"""Random schedules of faults, ridden by the real firmware and collector in simulated time."""
