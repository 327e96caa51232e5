def atender(conn):
    with conn:
        try:
            while dados := conn.recv(1024):
                conn.sendall(dados)
        except OSError:
            pass  # este cliente caiu; os outros continuam


def servir(escuta):
    while True:
        conn, addr = escuta.accept()
        threading.Thread(target=atender, args=(conn,), daemon=True).start()
