"""Style, axes and text shared by all figures; does not depend on the catalogue."""
