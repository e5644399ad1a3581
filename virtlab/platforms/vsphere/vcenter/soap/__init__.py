"""How does a program speak to vCenter? SOAP calls on managed objects, a subset of vSphere's own.

    reading      a request's text, read without trusting it
    values       data objects, references, arrays, and their text in a response
    faults       what a call that fails answers
    managed      which objects there are, of which type, with which properties
    entities     properties of hosts, virtual machines, clusters and the rest of the inventory
    services     properties of the managers, of tasks and of alarms
    collector    PropertyCollector: selecting, retrieving, waiting for updates
    history      performance counters and events
    calls        the calls, by name: operations, alarms, searching
    watching     those that read, list and wait
    endpoint     a request answered, from its text to its answer's

Names of types, properties, methods and faults are those of "vSphere Web Services API Reference"
8.0; how the property collector walks and waits is in "vSphere Web Services SDK Programming Guide"
8.0, "Property Collector". What the subset lacks is answered by a fault, never by silence.
"""
