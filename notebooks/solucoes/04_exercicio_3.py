def enviar_lista(host, porta, mensagens):
    ecos = []
    with socket.create_connection((host, porta), timeout=1) as s:
        for mensagem in mensagens:
            s.sendall(mensagem.encode())
            dados = b""
            while len(dados) < len(mensagem.encode()):  # a vazia nem entra no laço
                parte = s.recv(1024)
                if not parte:
                    raise ConnectionError("o servidor fechou antes de devolver tudo")
                dados += parte
            ecos.append(dados.decode())
    return ecos
