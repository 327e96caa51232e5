def atender_com_limite(conn):
    conn.settimeout(1)
    try:
        while dados := conn.recv(1024):
            conn.sendall(dados)
    except TimeoutError:
        pass  # o cliente se calou: desiste dele
