"""Files, archives, downloads, jobs, and the one exception that users see."""
