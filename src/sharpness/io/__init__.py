"""Files, archives, downloads, jobs, and the error that users see."""
