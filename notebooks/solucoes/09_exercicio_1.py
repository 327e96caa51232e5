def atender(conn):
    with conn:
        while dados := conn.recv(1024):
            conn.sendall(dados)


def servir_threads(escuta):
    while True:
        conn, addr = escuta.accept()
        threading.Thread(target=atender, args=(conn,), daemon=True).start()
