def duas_mensagens(host, porta, a, b):
    with EchoClient(host, porta) as cliente:
        return [cliente.send(a), cliente.send(b)]
