def conversar(host, porta, mensagem):
    with socket.create_connection((host, porta), timeout=1) as s:
        s.sendall(mensagem.encode())
        dados = b""
        while len(dados) < len(mensagem.encode()):
            parte = s.recv(1024)
            if not parte:
                raise ConnectionError("o servidor fechou antes de devolver tudo")
            dados += parte
        return dados.decode()
