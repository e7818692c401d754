"""What every figure shares: style, axes, text. Needs no catalogue."""
