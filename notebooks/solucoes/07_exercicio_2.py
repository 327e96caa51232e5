import ipaddress


def mesma_rede(um, outro, mascara):
    rede = ipaddress.ip_network(f"{um}/{mascara}", strict=False)
    return ipaddress.ip_address(outro) in rede
