"""CANopen over EtherCAT of a virtual slave: object dictionary, SDO and SDO information servers."""
