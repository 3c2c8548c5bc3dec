"""Corners of the peers' ``cn_tn`` that the golden file lacks; the expected outputs are the original's."""

import pytest

from evalkit.text.chinese_cn_tn import cn_tn


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1001个人", "一千零一个人"),  # a measure word makes a quantity of four digits
        ("2050000年", "二零五零零零零年"),
        ("10200", "一零二零零"),
        ("10200块", "一万零二百块"),  # 两 only where no digit stands before
        ("110000个", "十一万个"),
        ("007%", "百分之零七"),
        ("00个", "个"),  # nothing is left of zeros alone
        ("00.5个", "零点五个"),
        ("5块15块", "五块一五块"),  # the price takes the digit after 块 for its fraction
        ("8百万602", "八百万六零二"),  # and so after 百万, which is one unit
        ("12个2个", "十二个二个"),
        ("2个12个", "二个十二个"),
        ("112只12只2只", "一百一十二只十二只二只"),
        ("86 13800138000", "八六一三八零零一三八零零零"),
        ("0571-88157925。", "零五七一八八一五七九二五 "),
        ("１２个１０", "十二个十零"),  # a full-width zero is a digit like any other
        ("3000 300个", "三百零 三百个"),  # the first equal string is rewritten, not the one that matched
        ("^2$", "二"),
        ("B2B和O二O", "B2B和O2O"),
        ("约翰·史密斯〈注〉", "约翰 史密斯 注 "),
        ("今天\u3000明天℃😀", "今天\u3000明天℃😀"),
        ("", ""),
    ],
)
def test_cn_tn(text: str, expected: str) -> None:
    assert cn_tn(text) == expected
