def reconstruir(segmentos):
    enviados = [s for s in segmentos if s.sender == "cliente" and not s.lost and not s.damaged]
    dados, proximo = b"", 1
    for s in sorted(enviados, key=lambda s: s.seq):
        if s.seq > proximo:  # um buraco: o TCP não entrega o que vem depois
            break
        novos = s.data[proximo - s.seq :]  # o começo pode já ter vindo
        dados += novos
        proximo += len(novos)
    return dados
