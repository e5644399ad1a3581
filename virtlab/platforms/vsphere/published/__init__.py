"""How well do vSphere's models predict what was published? Three reproductions, one module each.

They stand here because they use the models; data, inputs and targets are in virtlab.published, and
its registry names these modules.
"""
