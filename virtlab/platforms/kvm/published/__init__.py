"""How well do transitions and register protocols predict what was published? One module each.

They stand here because they use the models; data, inputs and targets are in virtlab.published, and
its registry names these modules.
"""
