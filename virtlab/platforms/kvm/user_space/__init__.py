"""What is left for the program to do, once KVM runs the guest? The rest of the machine: devices.

board        which device answers where; the loop around KVM_RUN
dma          guest memory as a device sees it
uart         a serial port, at ports or in memory
disk         an emulated disk whose data goes through a register, two bytes at a time
e1000        an emulated network card with rings of descriptors in memory
virtio       the transport of devices made for virtual machines: queues in memory, one doorbell
virtio_blk, virtio_net
vhost        the same devices served behind an eventfd, without the loop
wire         what the cards are connected to
player       a guest that makes the accesses it is told to
drivers      what drivers do to these devices, access by access
"""
