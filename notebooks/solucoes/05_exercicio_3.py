def atender_varios(s, n):
    for _ in range(n):
        conn, addr = s.accept()
        with conn:
            try:
                while dados := conn.recv(1024):
                    conn.sendall(dados)
            except ConnectionError:
                pass  # este cliente caiu; o próximo não tem culpa
