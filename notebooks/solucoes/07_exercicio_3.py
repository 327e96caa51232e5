def qual_endereco(meus, colega):
    for endereco, mascara in meus:
        rede = ipaddress.ip_network(f"{endereco}/{mascara}", strict=False)
        if ipaddress.ip_address(colega) in rede:
            return endereco
    return None
