def aperto(segmentos):
    chegaram = [i for i, s in enumerate(segmentos) if not s.lost]
    pedido = next(i for i in chegaram if segmentos[i].flags == ("SYN",))
    resposta = next(i for i in chegaram if i > pedido and segmentos[i].flags == ("SYN", "ACK"))
    confirmacao = next(
        i for i in chegaram if i > resposta and segmentos[i].sender == "cliente"
    )
    return [pedido, resposta, confirmacao]
