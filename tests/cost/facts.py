"""Numbers typed a second time, straight from the sources, to hold the data files against.

Bugnion, Nieh & Tsafrir 2017, Tables 4.2 and 4.3; Adams & Agesen 2006, Table 1 and text.
"""

GENERATIONS = [
    *("prescott", "merom", "penryn", "westmere"),
    *("sandy-bridge", "ivy-bridge", "haswell", "broadwell"),
]
TABLE_4_3 = {
    "vmxon": (243, 162, 146, 302, 108, 98, 108, 116),
    "vmxoff": (175, 99, 89, 54, 84, 76, 73, 81),
    "vmclear": (277, 70, 63, 93, 56, 50, 101, 107),
    "vmptrld": (255, 66, 62, 91, 62, 57, 99, 109),
    "vmptrst": (61, 22, 9, 17, 5, 4, 43, 44),
    "vmread": (178, 53, 26, 6, 5, 4, 5, 5),
    "vmwrite": (171, 43, 26, 5, 4, 3, 4, 4),
    "vmlaunch": (2478, 948, 688, 678, 619, 573, 486, 528),
    "vm_entry": (2333, 944, 643, 402, 460, 452, 318, 348),
    "vmexit_vmcall": (1630, 727, 638, 344, 365, 334, 253, 265),
    "vmexit_cpuid": (1599, 764, 611, 389, 434, 398, 327, 332),
    "vmexit_page_fault": (1926, 1156, 858, 569, 507, 466, 512, 531),
    "vmexit_io": (1942, 858, 708, 427, 472, 436, 383, 397),
    "vmexit_ept": (None, None, None, 546, 588, None, 604, 656),
}
TABLE_4_2 = {
    "prescott": 3963,
    "merom": 1579,
    "penryn": 1266,
    "nehalem": 1009,
    "westmere": 761,
    "sandy-bridge": 784,
}
ADAMS_TABLE_1 = {
    "vm_entry": (2409, 937),
    "vmexit_page_fault": (1931, 1186),
    "vmread": (178, 52),
    "vmwrite": (171, 44),
}
