def atender_contando(conn, placar, trava):
    with trava:
        placar["agora"] += 1
    try:
        while dados := conn.recv(1024):
            conn.sendall(dados)
    except OSError:
        pass  # caiu: é desconto do mesmo modo
    finally:
        with trava:
            placar["agora"] -= 1
