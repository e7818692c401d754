"""The mathematics: definitions of sharpness, their balls and objectives, and their estimators."""
