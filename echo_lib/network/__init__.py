"""A rede: os endereços e as portas desta máquina, diagnóstico de um endereço, descoberta."""

from echo_lib.network.diagnosis import Diagnosis, diagnose
from echo_lib.network.discovery import Announcement, Found, discover
from echo_lib.network.local import (
    Interface,
    PortUse,
    addresses,
    is_loopback,
    lan_address,
    network_addresses,
    next_free_port,
    parse_netstat,
    port_holder,
    ports,
    resolve,
    spare_port,
)
