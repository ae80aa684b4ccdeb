"""What makes cells fast: their steps written into prepared memory, many derivatives at once.

`charnn.nn.kernels.kernel` has the contract. A cell without a kernel of its own runs its readable
step through `charnn.nn.kernels.readable`, and tests hold every kernel against that.
"""
