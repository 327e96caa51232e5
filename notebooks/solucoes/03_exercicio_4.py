def servidor_inteiro(host, porta):
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    s.bind((host, porta))
    s.listen()
    conn, addr = s.accept()
    while True:
        dados = conn.recv(1024)
        if not dados:
            break
        conn.sendall(dados)
    conn.close()
    s.close()
