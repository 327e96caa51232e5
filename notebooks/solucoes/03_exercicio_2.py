def gritar(conn):
    while dados := conn.recv(1024):
        conn.sendall(dados.upper())
