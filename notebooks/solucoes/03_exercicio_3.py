def uma_visita(s):
    conn, addr = s.accept()
    with conn:
        dados = conn.recv(1024)
        while dados:
            conn.sendall(dados)
            dados = conn.recv(1024)
