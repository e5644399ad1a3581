"""What stands between a thousand hosts and the people who run them? vCenter, which can be killed.

    store        the database: a journal of operations, samples, migrations
    counters     what is measured, by vSphere's names
    service      the inventory with its database and its simulated hosts: `VCenter`
    example      a small data centre to begin with: `furnish`
    sessions     who is logged in
    soap         vSphere's Web Services interface, a subset that stock clients drive
    desk         what a person sees and can do
    certificate  made when the server starts
    server       HTTPS, /sdk for programs and / for people: `Server`

`python -m virtlab.platforms.vsphere.vcenter` starts it; `explore.vcenter_client` shows it in a
notebook. It needs the packages of the extra `vsphere`.
"""

from virtlab.platforms.vsphere.vcenter.example import furnish
from virtlab.platforms.vsphere.vcenter.server import Server
from virtlab.platforms.vsphere.vcenter.service import VCenter
from virtlab.platforms.vsphere.vcenter.store import Store, StoreError, TakenError

__all__ = ["Server", "Store", "StoreError", "TakenError", "VCenter", "furnish"]
