def atender(conn):
    total = 0
    conn.settimeout(1)
    try:
        while dados := conn.recv(1024):
            conn.sendall(dados)
            total += len(dados)
    except (TimeoutError, ConnectionError):
        pass  # calou-se, ou caiu: o que já foi ecoado conta
    return total
