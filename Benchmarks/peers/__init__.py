"""Tapestry's runtime beside ONNX Runtime, OpenVINO and PyTorch, on the same networks, turn by turn.

figures.py says what is compared and what is to be reached; networks.py makes the networks, contest.py lets the
programs take turns, engines.py is the process in which a peer runs.
"""
