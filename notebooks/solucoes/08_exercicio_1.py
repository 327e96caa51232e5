def exato(conn, n):
    dados = b""
    while len(dados) < n:
        parte = conn.recv(n - len(dados))
        if not parte:
            raise ConnectionError(f"a conexão acabou: faltavam {n - len(dados)} bytes")
        dados += parte
    return dados
