def exato(conn, n):
    dados = b""
    while len(dados) < n:
        parte = conn.recv(n - len(dados))
        if not parte:
            raise ConnectionError("a conexão acabou no meio da mensagem")
        dados += parte
    return dados


def enviar_mensagem(conn, texto):
    dados = texto.encode()
    conn.sendall(struct.pack("!I", len(dados)) + dados)


def receber_mensagem(conn):
    (tamanho,) = struct.unpack("!I", exato(conn, 4))
    return exato(conn, tamanho).decode()
