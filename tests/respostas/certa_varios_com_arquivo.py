"""Verificação: one_after_another
Certa.
"""


def resposta(s, n):
    for _ in range(n):
        conn, _ = s.accept()
        try:
            with conn, conn.makefile("rwb") as arquivo:
                while dados := arquivo.read1(1024):
                    arquivo.write(dados)
                    arquivo.flush()
        except ConnectionError:
            pass
