"""HumanEva-I and Human3.6M, in the format of VideoPose3D."""
