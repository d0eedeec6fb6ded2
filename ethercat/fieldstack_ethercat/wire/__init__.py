"""EtherCAT's structures on the wire, one file a structure (ETG.1000.4, ETG.1000.6, ETG.2010)."""
