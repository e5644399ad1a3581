"""What stands between a thousand hosts and the people who run them? vCenter, which can be killed.

store        the database: a journal of operations, samples, migrations
counters     what is measured, by vSphere's names
service      the inventory with its database and its simulated hosts: `VCenter`
example      a small data centre to begin with: `furnish`
"""

from virtlab.platforms.vsphere.vcenter.example import furnish
from virtlab.platforms.vsphere.vcenter.server import Server
from virtlab.platforms.vsphere.vcenter.service import VCenter
from virtlab.platforms.vsphere.vcenter.store import Store, StoreError, TakenError

__all__ = ["Server", "Store", "StoreError", "TakenError", "VCenter", "furnish"]
