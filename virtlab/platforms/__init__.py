"""How products put the pieces together: what a real hypervisor is made of."""
