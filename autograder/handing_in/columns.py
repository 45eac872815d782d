"""What the columns of class lists and worksheets are called, in English and Chinese: for what is read and filled.

Of each fact the best column comes first; headings are compared without case, blanks and underscores (`tables.heading`).
Moodle's words are those of its language packs, mod/assign/lang/en/assign.php and the like of zh_cn.
"""

import re

ADDRESSES = ("Email address", "Email", "电子邮件地址", "电子邮件", "电子邮箱", "邮箱地址", "邮箱", "Email地址")
NUMBERS = ("ID number", "Student ID", "SID", "学号", "学号/工号", "学生学号", "工号", "ID号", "ID号码", "编号")
USERNAMES = ("Username", "用户名")
IDS = ("id", *NUMBERS, "SIS User ID", "SIS Login ID", *USERNAMES, *ADDRESSES)
FIRST_NAMES = ("first_name", "名", "名字")
LAST_NAMES = ("last_name", "Surname", "姓", "姓氏")
FULL_NAMES = ("lms_name", "Full name", "Student", "Name", "姓名", "学生姓名", "全名", "用户全名", "学生")
EMAILS = (*ADDRESSES, "SIS Login ID")

# Moodle's grading worksheet, and the groups.csv that a person may put beside it
IDENTIFIERS = ("Identifier", "识别码")
CHANGED = ("Last modified (submission)", "最后修改（学生）")
GRADES = ("Grade", "成绩")
MAXIMA = ("Maximum grade", "最高成绩")
GROUPS, MEMBERS = ("group", "小组"), ("student", "学号")
ANONYMOUS = ("Participant", "参与者")  # everybody's name where marking is blind, and what stands before the number
PARTICIPANT = re.compile(rf"({'|'.join(ANONYMOUS)})\s*(?P<number>\d+)")
