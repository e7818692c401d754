"""The style that all figures share; does not depend on the catalogue."""
