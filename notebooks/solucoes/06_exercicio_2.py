def meus_estados(porta):
    return sorted(linha.state for linha in ports(porta))
