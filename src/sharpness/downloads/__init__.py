"""The one way by which a file comes from elsewhere: verified, resumed, never half there."""
