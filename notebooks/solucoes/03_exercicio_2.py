def gritar(conn):
    while True:
        dados = conn.recv(1024)
        if not dados:
            break
        conn.sendall(dados.upper())
