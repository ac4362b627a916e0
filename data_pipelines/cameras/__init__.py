"""Camera calibration: reading `camera.json`, and fitting a camera to known points."""
