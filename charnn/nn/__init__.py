"""The mathematics: arrays in, arrays out; no files, no printing, no global state.

A differentiable function returns its output together with `backward`; calling
`backward(d_output, gradients)` returns the gradient of its input and *adds* the gradients of its
parameters to the arrays in `gradients`, under the parameters' own names.
"""
