"""The engine on PyTorch: the same models, updates and checkpoints, on a GPU or on many machines.

PyTorch differentiates here, and its own recurrent layers run where they compute what charnn's cells
do. Nothing outside this folder imports it, and nothing in it is imported unless it is asked for.
"""
