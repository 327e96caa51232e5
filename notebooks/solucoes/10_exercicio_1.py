def perguntar(host, porta):
    with socket.create_connection((host, porta), timeout=1) as s:
        s.sendall(b"oi")
        return s.recv(1024)
