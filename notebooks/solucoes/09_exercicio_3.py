def atender_sala(conn, sala, trava):
    with trava:
        sala.append(conn)
    try:
        while dados := conn.recv(1024):
            with trava:
                outros = [outro for outro in sala if outro is not conn]
            for outro in outros:
                try:
                    outro.sendall(dados)
                except OSError:
                    pass  # este saiu agora; a thread dele o tira da sala
    except OSError:
        pass
    finally:
        with trava:
            sala.remove(conn)
