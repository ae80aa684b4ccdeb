"""The mathematics: arrays in, arrays out; no files, no printing, no options, no global state.

A differentiable function returns its output together with `backward`. Calling
`backward(d_output, gradients)` returns the gradient of its input and *adds* the gradients of its
parameters to `gradients`, under the parameters' own names (see `charnn.nn.parameters.Gradients`).
A backward function that uses up what the forward pass kept can be called once; a second call
raises RuntimeError.
"""
