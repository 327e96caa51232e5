"""Verificação: chat_room
Pista: Se um except engole os erros, tire-o para ver qual é.
"""


def resposta(conn, sala, trava):
    with trava:
        sala.append(conn)
    try:
        while conn.recv(1024):
            for outro in sala:
                if outro is not conn:
                    outro.sendall(mensagem)
    except:  # noqa: E722
        pass
    finally:
        with trava:
            sala.remove(conn)
