"""What the parts cost, each figure beside a peer or a limit measured in the same run."""
