"""Which small models answer when a reader moves a control? One compiled function a question.

A kernel takes the controls' values and arrays, and fills arrays. The same function answers in
JupyterLab, called from Python, and on the published page, as WebAssembly.
"""
