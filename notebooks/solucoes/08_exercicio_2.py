def receber_linhas(conn):
    with conn.makefile(encoding="utf-8", newline="\n") as linhas:
        return [linha.removesuffix("\n") for linha in linhas]
